"""Metrics as a table for people."""

from app.ml.manifest import ClassMetrics, Estimate, Metrics


def format_metrics(metrics: Metrics) -> str:
    """Lay out metrics as plain text, a line a class and a line a group."""
    overall = (
        f"macro-AUC {interval(metrics.macro_auc)}, macro-F1 {metrics.macro_f1:.3f}, "
        f"macro-ECE {metrics.macro_ece:.4f}, exact set of classes {metrics.exact_set_accuracy:.1%}"
    )
    lines = [
        f"{metrics.records} records of {metrics.patients} patients, folds {_folds(metrics.folds)}: {metrics.protocol}",
        overall,
        "class      n  AUC [95 %]             AP     threshold  recall [95 %]          spec.  prec.  F1     Brier  ECE",
    ]
    lines += [_class_line(letter, one) for letter, one in metrics.classes.items()]
    lines.append("group               n  macro-AUC  macro-ECE  recall by class")
    for group in metrics.groups:
        recalls = "  ".join(f"{letter} {number(value, '.2f')}" for letter, value in group.recall.items())
        macro_auc = number(group.macro_auc, ".3f")
        lines.append(f"{group.group:16} {group.records:4}  {macro_auc:9}  {group.ece:9.4f}  {recalls}")
    return "\n".join(lines)


def _class_line(letter: str, one: ClassMetrics) -> str:
    return (
        f"{letter:5} {one.positives:6}  {interval(one.auc):21}  {one.average_precision:.3f}  {one.threshold:9.3f}  "
        f"{interval(one.recall):21}  {one.specificity:.3f}  {one.precision:.3f}  {one.f1:.3f}  {one.brier:.3f}  "
        f"{one.ece:.4f}"
    )


def interval(estimate: Estimate) -> str:
    """Write a number with its 95 % interval."""
    return f"{estimate.value:.4f} [{estimate.low:.3f}-{estimate.high:.3f}]"


def number(value: float | None, form: str) -> str:
    """Write a number, or a dash where there were too few records for one."""
    return "-" if value is None else format(value, form)


def _folds(folds: list[int]) -> str:
    consecutive = len(folds) > 1 and folds == list(range(folds[0], folds[-1] + 1))
    return f"{folds[0]}-{folds[-1]}" if consecutive else ", ".join(map(str, folds))
