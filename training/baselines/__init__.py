"""Training of the baselines: a VAE and two GANs, on the world or on a folder of pictures."""
