"""Run a demo as a user does, and interrupt it with Ctrl-C."""

import sys

from demos.shared.command import main


def exit_code(demo, *arguments):
    """Run the `main` of a demo's module in this process and return its exit code."""
    sys.argv = [demo.__name__, *map(str, arguments)]
    try:
        main(demo.run, demo.parser())
    except SystemExit as end:
        return end.code
    return 0


def interrupted(optimize_image, at):
    """Return `optimize_image` as if the user pressed Ctrl-C after its `at`-th step, counted over all its calls."""
    count = 0

    def until_then(*arguments, callback, **settings):
        def count_and_stop(progress, image):
            nonlocal count
            stop = callback(progress, image)
            count += 1
            if count == at:
                raise KeyboardInterrupt
            return stop
        return optimize_image(*arguments, callback=count_and_stop, **settings)
    return until_then
