"""What graph each known block learns on cued scenes, and what its filter makes of it: ``docs/study.md``."""
