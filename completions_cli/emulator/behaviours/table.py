"""Which class plays which back end."""

from completions_cli.emulator.behaviours import Behaviour
from completions_cli.emulator.behaviours.reference import Reference
from completions_cli.emulator.config import BehaviourName, EmulatorConfig


def behaviour_of(config: EmulatorConfig, model: str) -> Behaviour:
    """Make the behaviour that a configuration asks for; `model` is the engine's own name."""
    classes: dict[BehaviourName, type[Reference]] = {BehaviourName.REFERENCE: Reference}
    return classes[config.behaviour](config.key, config.deployments, model)
