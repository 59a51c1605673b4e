"""The paper's experiments: data set × backbone × block × seed, side by side, resumed wherever they stopped."""
