"""The metrics of a product by the part that they play, and which way each of them is bad."""

from tools.records import Metric, MetricRole, Product
from tools.stats.robust import Tail


def role_names(product: Product, metric: Metric) -> dict[MetricRole, str]:
    """The metric of each role; the alerted one is the top line."""
    names = {MetricRole.topline: metric.name}
    for other in sorted(product.metrics, key=lambda m: m.name):
        if other.name != metric.name and other.role is not MetricRole.topline:
            names.setdefault(other.role, other.name)
    return names


def role_tails(metric: Metric) -> dict[MetricRole, Tail]:
    """The bad direction of each role. A model's predictions may go wrong either way."""
    topline: dict[str, Tail] = {"higher": "low", "lower": "high", "neither": "both"}
    return {
        MetricRole.topline: topline[metric.better],
        MetricRole.log_loss: "high",
        MetricRole.calibration: "both",
        MetricRole.prediction_mean: "both",
        MetricRole.label_rate: "both",
    }
