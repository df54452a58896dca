"""The embedded model behind the profile `local`: its weights and the engine that runs them."""
