"""Pacing under any course of events: no limit is ever passed, and nobody waits for ever."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.pace import FULL, Pace, Ticket

RPM, TPM, IN_FLIGHT = 120.0, 6000.0, 7
LONGEST = 180.0  # seconds anything here may ask for at once
EPSILON = 1e-6

seconds = st.floats(0, 30)
tokens = st.floats(0, 500)


class Run(RuleBasedStateMachine):
    """One run: requests leave when they may, and end in every way there is, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.pace = Pace(Concurrency(most=IN_FLIGHT), RPM, TPM, self.now)
        self.under_way: list[Ticket] = []
        self.left: list[tuple[float, float]] = []  # when, and with how many tokens
        self.given_back = 0.0
        self.paused_until = 0.0
        self.is_tested = False

    @rule(idle=seconds)
    def time_passes(self, idle: float) -> None:
        self.now += idle

    @rule(cost=tokens)
    def one_leaves_if_it_may(self, cost: float) -> None:
        if self.pace.wait(self.now, cost, cost) <= 0:
            self.leave(cost)

    def leave(self, cost: float) -> None:
        assert self.now >= self.paused_until - EPSILON
        self.under_way.append(self.pace.leave(self.now, cost, cost))
        self.left.append((self.now, cost))

    def one(self, choice: int) -> Ticket:
        return self.under_way.pop(choice % len(self.under_way))

    @precondition(lambda self: self.under_way)
    @rule(choice=st.integers(0, 99), share=st.floats(0, 1))
    def one_is_answered(self, choice: int, share: float) -> None:
        ticket = self.one(choice)
        self.given_back += ticket.tokens * (1 - share)
        self.pace.answered(self.now, ticket, ticket.tokens * share)

    @precondition(lambda self: self.under_way)
    @rule(choice=st.integers(0, 99), asked=st.none() | seconds)
    def one_is_refused(self, choice: int, asked: float | None) -> None:
        ticket = self.one(choice)
        self.given_back += ticket.tokens
        self.pace.refused(self.now, ticket, asked)
        if asked and not self.is_tested:  # the first wait is kept whole, later ones are tested
            self.paused_until, self.is_tested = self.now + asked, True

    @precondition(lambda self: self.under_way)
    @rule(choice=st.integers(0, 99), overloaded=st.booleans())
    def one_fails(self, choice: int, *, overloaded: bool) -> None:
        ticket = self.one(choice)
        self.given_back += ticket.tokens
        self.pace.failed(self.now, ticket, overloaded=overloaded)

    @precondition(lambda self: self.under_way)
    @rule(choice=st.integers(0, 99), limit=st.integers(600, 10_000), left=st.integers(-50, 10_000))
    def the_server_tells_what_is_left(self, choice: int, limit: int, left: int) -> None:
        ticket = self.under_way[choice % len(self.under_way)]
        told = {"limit-requests": limit, "remaining-requests": left, "limit-tokens": limit, "remaining-tokens": left}
        self.pace.read(self.now, ticket, lambda name: str(told[name.removeprefix("x-ratelimit-")]))

    @invariant()
    def no_more_are_in_flight_than_may_be(self) -> None:
        assert self.pace.in_flight == len(self.under_way) <= IN_FLIGHT
        assert 1 <= self.pace.concurrency.limit <= IN_FLIGHT

    @invariant()
    def the_rates_hold_over_every_stretch(self) -> None:
        for start in range(len(self.left)):
            span = self.now - self.left[start][0]
            assert len(self.left) - start <= span * RPM / 60 + RPM / 30 + 1 + EPSILON
            spent = sum(cost for _, cost in self.left[start:])
            # A burst, one request that was larger than it, and what was given back for others to use.
            assert spent <= span * TPM / 60 + TPM / 30 + 500 + self.given_back + EPSILON * len(self.left)

    def teardown(self) -> None:
        """Whatever happened: once all are back, ten more can leave, each after a bounded wait."""
        while self.under_way:
            self.one_is_answered(0, 0.5)
        for _ in range(10):
            waited = 0.0
            while (wait := self.pace.wait(self.now, 100.0, 100.0)) > 0:
                assert wait < FULL
                self.now += wait + EPSILON
                waited += wait + EPSILON
                assert waited <= LONGEST
            self.leave(100.0)
            self.one_is_answered(0, 1.0)


TestRun = Run.TestCase
TestRun.settings = settings(max_examples=settings().max_examples // 4)  # each is a whole course of events
