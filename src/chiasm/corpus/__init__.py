"""Data sets on disk: plan, build, resume, verify, describe, export, browse. Works without torch."""

from chiasm.corpus._browse import browse, browse_app
from chiasm.corpus._build import BuildOptions, BuildSummary, build
from chiasm.corpus._check import CheckReport, check
from chiasm.corpus._check_report import write_check_report
from chiasm.corpus._describe import describe
from chiasm.corpus._draw import Imaging, Patient
from chiasm.corpus._export import EXPORTS, Export, export
from chiasm.corpus._manifest import Manifest
from chiasm.corpus._plan import Plan, make_plan
from chiasm.corpus._presets import PRESETS, preset
from chiasm.corpus._progress import ConsoleReport, Progress
from chiasm.corpus._reword import Reworded, reword
from chiasm.corpus._workshop import CaseMaker, OpenWorkshop, Workshop

__all__ = [
    "EXPORTS",
    "PRESETS",
    "BuildOptions",
    "BuildSummary",
    "CaseMaker",
    "CheckReport",
    "ConsoleReport",
    "Export",
    "Imaging",
    "Manifest",
    "OpenWorkshop",
    "Patient",
    "Plan",
    "Progress",
    "Reworded",
    "Workshop",
    "browse",
    "browse_app",
    "build",
    "check",
    "describe",
    "export",
    "make_plan",
    "preset",
    "reword",
    "write_check_report",
]
