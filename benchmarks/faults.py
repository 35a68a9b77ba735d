"""Small faults put into the core, one at a time: do the tests notice each of them?

    python benchmarks/faults.py                    every fault, by the tests that have to find it
    python benchmarks/faults.py --only advection   one of them, or several
    python benchmarks/faults.py --all-tests        the whole suite for each fault

A fault is a slip of the pen: a sign, a factor, a weight left out, a state that is not restored. It
replaces a text that occurs once in `pinn/`, in a copy of the project in a temporary folder; the
file is found by that text. The tests named for the faults must first pass without any fault. The
exit status is 1 if a fault is not found.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PASSED, FAILED = 0, 1  # how pytest ends


class Fault(NamedTuple):
    """One slip.

    Args:
        name: what it is called on the command line.
        wrong: what goes wrong, in one sentence.
        old: the text that it replaces, which occurs once in `pinn/`.
        new: what stands there instead.
        tests: the tests that have to notice it, as pytest names them below `tests/`.
    """

    name: str
    wrong: str
    old: str
    new: str
    tests: tuple[str, ...]


FAULTS = (
    Fault(
        "curvature",
        "The second derivative of tanh has the wrong sign.",
        "yield -2 * y * s",
        "yield 2 * y * s",
        ("test_smooth.py::test_smooth_rule_agrees_with_nested_reverse_mode[tanh]",),
    ),
    Fault(
        "slope",
        "The slope of GELU has the wrong sign in its second term.",
        "yield cdf + x * density",
        "yield cdf - x * density",
        ("test_smooth.py::test_smooth_rule_agrees_with_nested_reverse_mode[gelu]",),
    ),
    Fault(
        "leibniz",
        "The Laplacian of a product lacks the factor 2 of its mixed term.",
        "return 2 * times(a[:k], b[:k])",
        "return times(a[:k], b[:k])",
        ("test_jet.py::test_a_product_of_rows_has_its_mixed_term",),
    ),
    Fault(
        "third",
        "A term of the chain rule that occurs three times in a third derivative is counted once.",
        "term = scaled(functools.reduce(torch.mul, present), count)",
        "term = functools.reduce(torch.mul, present)",
        ("test_smooth.py::test_smooth_rule_agrees_with_nested_reverse_mode[tanh]",),
    ),
    Fault(
        "backward",
        "The parameter gradient of a Laplacian lacks the third derivative of the activation.",
        "toward = toward + higher[1] * up * quadratic(rows, pairs)",
        "toward = toward + higher[0] * up * quadratic(rows, pairs)",
        ("test_derivatives.py::test_values_and_parameter_gradients_agree[tanh-collapsed-taylor]",),
    ),
    Fault(
        "advection",
        "(u·∇)f has the wrong sign.",
        "terms = [uj * partial(f, j) for uj, j in pairs]",
        "terms = [-uj * partial(f, j) for uj, j in pairs]",
        ("test_differential.py::test_advection",),
    ),
    Fault(
        "diagonal",
        "The divergence over chosen coordinates sums the wrong entries of the Jacobian.",
        "torch.stack([entries[i, k] for k, i in enumerate(order)])",
        "torch.stack([entries[k, k] for k, i in enumerate(order)])",
        ("test_divergence.py::test_selected_dims_and_components",),
    ),
    Fault(
        "lambda",
        "The gradient of a step ignores the weights of the residuals.",
        "scales_of(self.plans, points, weights)",
        "scales_of(self.plans, points, dict.fromkeys(weights, 1.0))",
        ("test_step.py::test_a_step_is_the_weighted_loss_and_its_gradient",),
    ),
    Fault(
        "stale_lambda",
        "The rows of a system keep the weights of the residuals with which it was first laid out.",
        "if moved or weights != self.weights:\n            self.weights = dict(weights)\n"
        "            self.scales = scales_of(plans, ",
        "if moved:\n            self.weights = dict(weights)\n"
        "            self.scales = scales_of(plans, ",
        ("test_least_squares.py::test_new_weights_are_seen_at_the_same_points",),
    ),
    Fault(
        "importance",
        "The problem's weight w(x) of a point is ignored.",
        "for weight in (importance, points.importance, points.weights):",
        "for weight in (points.weights,):",
        ("test_losses.py::test_losses_are_weighted_means_over_all_points_of_a_residual",),
    ),
    Fault(
        "quadrature",
        "The quadrature weight of a point is ignored.",
        "for weight in (importance, points.importance, points.weights):",
        "for weight in (importance,):",
        ("test_losses.py::test_by_quadrature_a_loss_is_an_integral",),
    ),
    Fault(
        "root",
        "A residual is multiplied by w, so that its square is weighted by w².",
        "residual = residual * weight.sqrt()",
        "residual = residual * weight",
        ("test_losses.py::test_losses_are_weighted_means_over_all_points_of_a_residual",),
    ),
    Fault(
        "count",
        "A residual of several regions is averaged over the points of the last one.",
        ".get(name, 0.0) + points[region].counted",
        ".get(region, 0.0) + points[region].counted",
        ("test_losses.py::test_losses_are_weighted_means_over_all_points_of_a_residual",),
    ),
    Fault(
        "part",
        "A mean over divided points counts those of weight 0.",
        "share=len(self) / (count * size)",
        "share=1.0",
        ("test_points.py::test_parts_of_points_sum_to_the_whole",),
    ),
    Fault(
        "global",
        "A recorded graph is used on after a global variable has changed.",
        "if name in f.__globals__:",
        "if name in ():",
        ("test_memory.py::test_a_recorded_step_sees[a global]",),
    ),
    Fault(
        "closure",
        "A recorded graph is used on after a variable of a closure has changed.",
        "for cell in f.__closure__ or ():",
        "for cell in ():",
        ("test_trust.py::test_functions_inside_functions_are_compared_as_well",),
    ),
    Fault(
        "attribute",
        "A recorded graph is used on after an attribute of an object has changed.",
        "reader.read_items(own or {})",
        "reader.read_items({})",
        ("test_memory.py::test_a_recorded_step_sees[a dataclass]",),
    ),
    Fault(
        "unseen",
        "A recorded graph is never held against the Python again.",
        "if held.is_due(chunk.number) or check:",
        "if check:",
        ("test_memory.py::test_an_unseen_change_is_found_and_said[recorded]",),
    ),
    Fault(
        "trust",
        "A strategy that was right once is never held against reverse mode again.",
        "return is_due(self.uses)",
        "return False",
        ("test_trust.py::test_a_check_that_fails_is_a_new_decision",),
    ),
    Fault(
        "gauss",
        "The weights of Gauss quadrature have the mean 2 per axis.",
        "[0.5 * k * weight]",
        "[k * weight]",
        ("test_sampling.py::test_gauss_points_integrate_polynomials",),
    ),
    Fault(
        "draw",
        "New points are drawn one step too early.",
        "draw = step // self.resample if",
        "draw = (step + 1) // self.resample if",
        ("test_training.py::test_points_change_at_their_steps_and_never_inside_one[3]",),
    ),
    Fault(
        "chosen",
        "A resumed run with adapted points takes those that it chose for those of the next draw.",
        'self._chosen = ((state_dict["draw"], rank)',
        'self._chosen = ((state_dict["draw"] + 1, rank)',
        (
            "test_adaptation.py::test_resumed_at_any_step_the_run_ends_the_same[phases1-3-auto-steps1]",
        ),
    ),
    Fault(
        "lost_step",
        "A resumed run forgets how many steps of its phase are taken.",
        'KEPT = ("stage", "phase", "start", "step", ',
        'KEPT = ("stage", "phase", "start", ',
        ("test_resume.py::test_resumed_at_any_step_the_run_ends_the_same[phases3-0-auto-steps3]",),
    ),
    Fault(
        "optimizer_state",
        "The state of Levenberg–Marquardt is not saved with its optimiser.",
        "state = self.state[self.parameters[0]]",
        'state = self.__dict__.setdefault("own", {})',
        ("test_levenberg_marquardt.py::test_the_state_resumes_bit_by_bit",),
    ),
    Fault(
        "weighting_state",
        "The loss weights that a run has found are not restored.",
        'self.balance.restore(saved.get("weighting_state", {}))',
        "self.balance.restore({})",
        ("test_balance.py::test_resumed_at_any_step_the_run_ends_the_same[gradient_norm]",),
    ),
    Fault(
        "progress",
        "A checkpoint counts the step that it was written after as not complete.",
        'count["completed"] = count["processed"]',
        'count["completed"] = count["completed"]',
        ("test_keeper.py::test_an_error_inside_a_step_saves_no_half_done_step",),
    ),
    Fault(
        "gauge",
        "The constant of a gauged unknown is not subtracted.",
        "moved[name] = shifted(moved[name], subtracted, offset.along)",
        "moved[name] = moved[name]",
        ("test_gauge.py::test_the_mean_of_the_pressure_is_zero",),
    ),
    Fault(
        "mean",
        "The mean that a gauge makes zero ignores the quadrature weights.",
        "torch.tensordot(weights, values - first, ([0], [1]))",
        "torch.tensordot(torch.ones_like(weights), values - first, ([0], [1]))",
        ("test_gauge.py::test_with_time_the_mean_is_zero_at_every_instant[5]",),
    ),
    Fault(
        "damping",
        "The damping of Levenberg–Marquardt is subtracted.",
        "damped.diagonal().add_(damping)",
        "damped.diagonal().sub_(damping)",
        ("test_factor.py::test_every_way_solves_what_is_defined",),
    ),
    Fault(
        "uphill",
        "Levenberg–Marquardt accepts a step that raises the loss.",
        "if there < loss:",
        "if there == there:",
        ("test_levenberg_marquardt.py::test_a_rejected_step_raises_the_damping",),
    ),
    Fault(
        "chunk",
        "The gradient of a step in chunks adds the first chunk again in the place of the others.",
        "add(gradients, slopes)",
        "add(gradients, gradients)",
        ("test_step.py::test_a_step_is_the_weighted_loss_and_its_gradient",),
    ),
    Fault(
        "rows",
        "The last rows of a Jacobian that does not fit into memory are left out.",
        "yield buffer[:filled]",
        "yield buffer[:0]",
        ("test_factor.py::test_a_jacobian_that_does_not_fit_is_asked_for_again",),
    ),
    Fault(
        "row_sign",
        "The rows of a Jacobian by reverse mode have the wrong sign.",
        "yield pulled_back(rows, parameters, picked)",
        "yield pulled_back(rows, parameters, -picked)",
        ("test_least_squares.py::test_points_that_see_each_other_are_differentiated_together",),
    ),
    Fault(
        "processes",
        "The mean loss of several processes is their sum.",
        "mean = total(loss.detach().clone()) / processes()",
        "mean = total(loss.detach().clone())",
        ("test_distributed.py::test_gradients_are_those_of_one_process_on_all_points",),
    ),
    Fault(
        "share",
        "Each of several processes takes its own residuals for the whole system.",
        "scales_of(plans, points, weights, 1 / processes(), 0.5)",
        "scales_of(plans, points, weights, 1.0, 0.5)",
        (
            "test_distributed.py::test_levenberg_marquardt_steps_are_those_of_one_process_on_all_points",
        ),
    ),
    Fault(
        "independence",
        "A function whose points see each other is refused only where all of its values show it.",
        "if apart.any():",
        "if apart.all():",
        ("test_independence.py::test_weak_coupling_does_not_hide_behind_large_values",),
    ),
    Fault(
        "precision",
        "Points keep float64 beside weights in float32.",
        "return tensor.to(like, non_blocking=True)",
        "return tensor.to(like.device, non_blocking=True)",
        ("test_data.py::test_points_have_the_precision_of_the_weights",),
    ),
    Fault(
        "waits",
        "The guard reads the loss of every step at once, for which a GPU has to be waited for.",
        "at_once = several or reads_are_free(device)",
        "at_once = True",
        ("test_waits.py::test_a_steady_step_of_first_order_waits_for_nothing",),
    ),
    Fault(
        "error",
        "The relative error of a solution is not divided by the norm of the reference.",
        "(len(truth) if size <= rounding else size)",
        "len(truth)",
        ("test_assessment.py::test_errors_of_a_flow_that_is_one_percent_too_fast",),
    ),
    Fault(
        "freedom",
        "The variance of a coefficient counts no degrees of freedom for the parameters.",
        "freedom = m - fitted",
        "freedom = float(m)",
        ("test_covariance.py::test_a_slope_has_the_interval_of_linear_regression[1]",),
    ),
    Fault(
        "stale_weights",
        "A loaded solution keeps the weights that it began with.",
        "solution.load_state_dict(weights)",
        "solution.state_dict()",
        (
            "test_checkpoint.py::test_a_loaded_solution_is_the_trained_one_to_the_last_bit[Kovasznay-taylor]",
        ),
    ),
    Fault(
        "learning_rate",
        "The learning rate of a phase is scheduled from the beginning of the run.",
        "factor(self.global_step - schedule.start)",
        "factor(self.global_step)",
        ("test_course.py::test_cosine_counts_from_the_beginning_of_its_phase",),
    ),
    Fault(
        "hash",
        "A checkpoint whose bytes do not fit its hash is read.",
        "if digest.hexdigest() != match[4].decode():",
        "if not digest.hexdigest():",
        ("test_seal.py::test_every_bit_of_the_directory_of_records_counts",),
    ),
    Fault(
        "order",
        "Checkpoints are ordered by the text of their names.",
        "sorted(kept, key=step_of, reverse=True)",
        "sorted(kept, reverse=True)",
        ("test_newest.py::test_steps_of_eight_digits_are_later",),
    ),
    Fault(
        "steps_of_adam",
        "A resumed optimiser may have taken other steps than its phase.",
        "counts and float(found[name]) != taken",
        "counts and float(found[name]) < 0",
        ("test_wrong_contents.py::test_wrong_contents_are_refused_in_one_line",),
    ),
    Fault(
        "removed",
        "What a missing checkpoint was to replace is removed.",
        "if not self.lost:",
        "if self.lost is not None:",
        ("test_full_disk.py::test_what_is_there_is_kept_while_the_new_one_is_missing",),
    ),
)


def files_with(root: Path, text: str) -> list[Path]:
    """The files of the package that hold a text, each as often as it occurs there."""
    files = sorted((root / "pinn").rglob("*.py"))
    return [file for file in files for _ in range(file.read_text(encoding="utf-8").count(text))]


def file_with(root: Path, fault: Fault) -> Path:
    """The file that a fault is put into.

    Raises:
        SystemExit: the text of the fault occurs nowhere, or several times.
    """
    holders = files_with(root, fault.old)
    if len(holders) != 1:
        places = ", ".join(str(file.relative_to(root)) for file in holders) or "no file"
        raise SystemExit(
            f"fault {fault.name}: its old text must occur once in pinn/, and is in {places}: "
            f"{fault.old!r}"
        )
    return holders[0]


def copied(into: Path) -> Path:
    """A copy of the files that git knows of."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, into / name)
    return into


def run_tests(root: Path, tests: Sequence[str], write: bool) -> tuple[int, str]:
    """How pytest ends on these tests, and what it says.

    Args:
        root: the project.
        tests: all tests if empty.
        write: whether compiled Python is kept; of a faulty file it must not be.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    own = {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    own |= {} if write else {"PYTHONDONTWRITEBYTECODE": "1"}
    names = [f"tests/{test}" for test in tests]
    done = subprocess.run(
        [*command, *names], cwd=root, env=os.environ | own, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def tried(root: Path, fault: Fault, tests: Sequence[str]) -> tuple[bool, str]:
    """Whether the tests find a fault, and the first that does.

    Raises:
        SystemExit: pytest neither passed nor failed, as where a test does not exist.
    """
    file = file_with(root, fault)
    right = file.read_text(encoding="utf-8")
    file.write_text(right.replace(fault.old, fault.new), encoding="utf-8")
    try:
        status, said = run_tests(root, tests, write=False)
    finally:
        file.write_text(right, encoding="utf-8")
    if status not in (PASSED, FAILED):
        raise SystemExit(f"fault {fault.name}: the tests did not run:\n{said}")
    first = re.search(r"^(?:FAILED|ERROR) tests/(.+?)(?: - |$)", said, flags=re.MULTILINE)
    return status == FAILED, first.group(1) if first else ""


def checked(root: Path, chosen: Sequence[Fault]) -> None:
    """Run the tests of the faults on the project as it is.

    Raises:
        SystemExit: a text is not there, or a test fails without a fault.
    """
    for fault in chosen:
        file_with(root, fault)
    tests = dict.fromkeys(test for fault in chosen for test in fault.tests)
    status, said = run_tests(root, list(tests), write=True)
    if status != PASSED:
        raise SystemExit(f"the tests fail without any fault:\n{said}")


def main() -> int:
    """Try the faults; 1 if one is not found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [fault.name for fault in FAULTS]
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=names, default=names)
    parser.add_argument("--all-tests", action="store_true", help="the whole suite for each fault")
    asked = parser.parse_args()
    chosen = [fault for fault in FAULTS if fault.name in asked.only]
    lost = []
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        root = copied(Path(folder))
        checked(root, chosen)
        print("| fault | found | by | seconds |\n|---|---|---|---|", flush=True)
        for fault in chosen:
            start = time.perf_counter()
            is_found, test = tried(root, fault, () if asked.all_tests else fault.tests)
            answer = "yes" if is_found else "**no**"
            seconds = time.perf_counter() - start
            print(f"| {fault.name} | {answer} | {test} | {seconds:.1f} |", flush=True)
            lost += [] if is_found else [fault]
    print(f"\n{len(chosen) - len(lost)} of {len(chosen)} faults found")
    for fault in lost:
        print(f"not found: {fault.name}: {fault.wrong}")
    return 1 if lost else 0


if __name__ == "__main__":
    raise SystemExit(main())
