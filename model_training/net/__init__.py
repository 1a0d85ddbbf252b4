"""Training of the network over the waveform; the only place that needs PyTorch (`uv sync --extra net`)."""
