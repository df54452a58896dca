"""Text completions from the Azure AI Foundry model-inference API."""

__version__ = "0.1.0"
