"""How long a hostile file or text may keep the processor busy before it is refused."""

# Seconds of processor time. One that is believed takes minutes or for ever; a refusal takes about one second at most,
# on a loaded machine, too.
HANGS = 20
