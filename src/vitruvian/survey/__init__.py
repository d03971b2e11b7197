"""Data sets looked over before a training: `vitruvian data list` and `vitruvian data check`."""

from vitruvian.survey.command import check, show_layouts

__all__ = ["check", "show_layouts"]
