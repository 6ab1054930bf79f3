"""The embedded course: seeded rounds that need no download, as hard for simple detectors as a real course."""

from anomaly_lab.ratings.synthetic.course import KINDS, Difficulty, make_course
from anomaly_lab.ratings.synthetic.files import write_course, write_rounds

__all__ = ["KINDS", "Difficulty", "make_course", "write_course", "write_rounds"]
