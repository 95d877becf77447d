"""Exporting models so that their snapshots can be examined: for the code that trains them."""

from knowledge.exporting.artifact import save
from knowledge.exporting.batches import UnusableInputs
from knowledge.exporting.columns import UnusableColumns, bag, categorical, dense, sequence
from knowledge.exporting.ladder import Export, NotExportable, export
from tools.program.graph import Column

__all__ = [
    "Column",
    "Export",
    "NotExportable",
    "UnusableColumns",
    "UnusableInputs",
    "bag",
    "categorical",
    "dense",
    "export",
    "save",
    "sequence",
]
