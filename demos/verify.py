"""All objective checks on the installed weights, as a table: python -m demos.verify [--model NAME]"""

import sys

from demos.command import demo_parser, main
from demos.gallery import gallery_pictures
from demos.inputs import choose_model, load_photos


def run(arguments):
    """Make every picture of the chosen network, and of the shipped one; print value, expected, pass; exit 1 if not all
    pass."""
    failed = total = 0
    models = dict.fromkeys([arguments.model, "shapes"])  # None: the default; each once
    seen = set()
    for name in models:
        model, said = choose_model(name, arguments.device)
        if model.name in seen:
            continue
        seen.add(model.name)
        print(said)
        photos = load_photos(model, arguments.photos if name == arguments.model else [], arguments.seed)
        for picture in gallery_pictures(model, photos, arguments.seed):
            for check in picture.checks:
                total += 1
                failed += not check.passed
                print(f"{'pass' if check.passed else 'FAIL'}  {picture.name:<20} {check.value:>12.4g}  "
                      f"{check.what}; expected {check.expected}", flush=True)
    print(f"{total - failed} of {total} checks passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(run, demo_parser("verify", __doc__))
