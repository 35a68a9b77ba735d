"""The programs and commands of docs/deployment.md run in the order of the page."""

import re
import shlex
from pathlib import Path

import numpy as np
import torch

from pinn.cli.main import main

PAGE = (Path(__file__).parents[1] / "docs" / "deployment.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}[^\n]*\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_page_keeps_its_word(here):
    namespace = {"__name__": "page"}
    for source in blocks("python"):
        source = source.replace("width=100", "width=20")
        exec(compile(source, "deployment.md", "exec"), namespace)
    points, solution = namespace["points"], namespace["solution"]
    exact = {k: v.detach().numpy() for k, v in solution(points).items()}
    program = {
        k: v.detach().numpy() for k, v in torch.export.load("flow.pt2").module()(points).items()
    }
    for name in ("u", "p"):
        np.testing.assert_allclose(program[name], exact[name], atol=1e-12)
        np.testing.assert_allclose(namespace["values"][name], exact[name], atol=1e-12)
    (here / "points.csv").write_text("x,y\n0.1,0.2\n0.3,0.4\n", encoding="utf-8")
    checkpoint = str(next(here.glob("runs/**/*.ckpt")))
    for line in blocks("bash")[0].splitlines():
        argv = [checkpoint if word == "FILE.ckpt" else word for word in shlex.split(line)[2:]]
        if "x=200,y=100,t=20" in argv:  # this flow has no time
            argv = [*argv[:-3], "x=20,y=10", *argv[-2:-1], "flow.vtr"]
        argv = ["20" if word == "200" else word for word in argv]
        assert main(argv) == 0, line
        assert Path(argv[argv.index("--output") + 1]).stat().st_size > 0
