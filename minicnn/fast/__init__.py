"""Faster ways to compute what minicnn.layers and minicnn.network define. Nothing here changes a result beyond rounding.

`net.fast()` gives a FastNetwork; the library works without this folder. README.md in this folder explains how.
"""
