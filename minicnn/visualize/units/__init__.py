"""What single units respond to: filters, activations, maximally activating patches."""
