"""The paper's experiments: data set × backbone × block × seed, resumed wherever they stopped."""
