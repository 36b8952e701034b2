"""How what a baseline's labels say of the model looks on a terminal."""

import math

from rich.text import Text

from modelmonitor.api.v1alpha1.metric_options import PerformanceMeasure
from modelmonitor.core.baseline.performance_profile import PerformanceProfile
from modelmonitor.core.judging.performance import WORDS
from modelmonitor.core.statistics.estimation import realised


def performance_facts(part: PerformanceProfile | None) -> list[Text]:
    """Return what can be estimated without labels, and how good the model is in the baseline."""
    if part is None:
        return []
    quality = [f"accuracy {part.accuracy:.3f}", *_by_scores(part)]
    of = f" of class {part.scored[0].name}" if part.binary and part.scored else ""
    what = "Performance" if part.scored else "Without --score, only PriorShift"
    facts = [
        Text(
            f"{what} can be estimated: {part.rows:,} rows have a label, of {len(part.classes)} "
            f"classes; {', '.join(quality)}{of}."
        )
    ]
    if part.phi() > 1:
        facts.append(
            Text(
                f"Errors come in clusters: {part.phi():.1f} rows are worth one, so that intervals "
                f"are {math.sqrt(part.phi()):.1f} times as wide."
            )
        )
    return facts


def _by_scores(part: PerformanceProfile) -> list[str]:
    counts = [(one.rows, one.hits) for one in part.scored]
    measures = (PerformanceMeasure.F1, PerformanceMeasure.ROC_AUC) if counts else ()
    found = ((each, realised(each, counts).value) for each in measures)
    return [f"{WORDS[each]} {value:.3f}" for each, value in found if math.isfinite(value)]
