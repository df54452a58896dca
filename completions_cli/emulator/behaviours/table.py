"""Which class plays which back end."""

from completions_cli.emulator.behaviours import Behaviour
from completions_cli.emulator.behaviours.foundry import Foundry
from completions_cli.emulator.behaviours.managed import Managed
from completions_cli.emulator.behaviours.reference import Reference
from completions_cli.emulator.config import BehaviourName, EmulatorConfig


def behaviour_of(config: EmulatorConfig, model: str) -> Behaviour:
    """Make the behaviour that a configuration asks for; `model` is the engine's own name."""
    classes: dict[BehaviourName, type[Reference | Managed | Foundry]] = {
        BehaviourName.REFERENCE: Reference,
        BehaviourName.MANAGED: Managed,
        BehaviourName.FOUNDRY: Foundry,
    }
    return classes[config.behaviour](config.key, config.deployments, model)
