"""Bridges to other code: one foreign package a file or a folder."""
