"""A door for programs written for PlanAI: the house has this in `planai.run.user_input`."""

from planai.run.user_input import UserInputRequest as UserInputRequest
