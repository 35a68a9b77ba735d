"""Pictures in the loggers that take them: TensorBoard, Weights & Biases, MLflow."""

from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def takes_pictures(logger: Any) -> bool:
    """Whether a logger keeps pictures; one that writes tables alone does not."""
    return isinstance(logger, TensorBoardLogger | WandbLogger | MLFlowLogger)


def show_picture(logger: Any, tag: str, figure: "Figure", step: int) -> None:
    """Give a picture to a logger."""
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_figure(tag, figure, step)
    elif isinstance(logger, WandbLogger):
        logger.log_image(tag, [figure], step)
    else:
        logger.experiment.log_figure(logger.run_id, figure, f"{tag}-{step:07d}.png")
