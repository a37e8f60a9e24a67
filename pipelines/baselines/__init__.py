"""The baselines: classic generators of images, to stand beside the diffusion decoders."""
