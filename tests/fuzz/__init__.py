"""The fuzzer: draws what a user may write, and holds the library to textbook formulas in float64.

An example is a *case*: a frozen dataclass of plain numbers and strings, whose ``repr`` is the program that
makes it. Its laws stand in ``laws.py`` and its neighbours; ``run.py`` draws many (``make fuzz``),
``test_fuzz.py`` a few.
"""
