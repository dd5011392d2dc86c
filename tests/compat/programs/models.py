"""Workers with a model: prompts that are filled in, checks, conversions, and data in place of a task.

Prints:
    Haiku about rain in spring: drops on the roof
    asked again: True
    [('Bob', 'old'), ('Eve', 'young')]
    no answer: []
"""

from typing import List, Literal, Optional, Type

import re
from pydantic import Field

from planai import CachedLLMTaskWorker, Graph, LLMTaskWorker, PydanticDictWrapper, Task
from planai.testing import MockLLM, MockLLMResponse


class Topic(Task):
    topic: str
    season: str = "spring"


class Poem(Task):
    title: str
    text: str


class Poet(LLMTaskWorker):
    output_types: List[Type[Task]] = [Poem]
    llm_input_type: Type[Task] = Topic
    prompt: str = "Write a haiku about {topic} in {season}."

    def format_prompt(self, task: Topic) -> str:
        return self.prompt.format(topic=task.topic, season=task.season)


llm = MockLLM(
    responses=[
        MockLLMResponse(
            pattern="haiku about rain in spring",
            response=Poem(title="Haiku about rain in spring", text="drops on the roof"),
        )
    ]
)
graph = Graph(name="Poems")
poet = Poet(llm=llm)
graph.add_workers(poet)
graph.set_sink(poet, Poem)
graph.run(initial_tasks=[(poet, Topic(topic="rain"))], display_terminal=False)
poem = graph.get_output_tasks()[0]
print(f"{poem.title}: {poem.text}")


class Person(Task):
    who: str
    age: int


class Judgement(Task):
    label: str = Field(description="old or young")


class Labelled(Task):
    who: str
    label: Literal["old", "young"]


class Judge(CachedLLMTaskWorker):
    output_types: List[Type[Task]] = [Labelled]
    llm_input_type: Type[Task] = Person
    llm_output_type: Type[Task] = Judgement
    prompt: str = "Is this person old or young?"
    use_xml: bool = True
    complaints: List[str] = Field(default_factory=list)

    def pre_process(self, task: Person) -> Optional[Task]:
        return PydanticDictWrapper(data={"age": task.age}, name="Facts")

    def extra_validation(self, response: Judgement, input_task: Person) -> Optional[str]:
        if response.label not in ("old", "young"):
            self.complaints.append(response.label)
            return "The label has to be 'old' or 'young'."
        return None

    def post_process(self, response: Optional[Judgement], input_task: Person):
        if response is None:
            return
        self.publish_work(Labelled(who=input_task.who, label=response.label), input_task=input_task)


asked = []


class Recorded(MockLLMResponse):
    """An answer that notes that it was given."""


llm = MockLLM(
    responses=[
        MockLLMResponse(pattern=re.compile("has to be 'old' or 'young'"), response=Judgement(label="young")),
        MockLLMResponse(pattern=r"<age>80</age>", response=Judgement(label="old")),
        MockLLMResponse(pattern=r"<age>20</age>", response=Judgement(label="very young")),
    ]
)
graph = Graph(name="People")
judge = Judge(llm=llm, cache_dir="people_cache")
graph.add_workers(judge)
graph.set_sink(judge, Labelled)
graph.run(
    initial_tasks=[(judge, Person(who="Bob", age=80)), (judge, Person(who="Eve", age=20))], display_terminal=False
)
print("asked again:", judge.complaints == ["very young"])
print(sorted((task.who, task.label) for task in graph.get_output_tasks()))

llm = MockLLM(responses=[MockLLMResponse(pattern=".*", response_string="this is no JSON")])
graph = Graph(name="Nothing")
poet = Poet(llm=llm)
graph.add_workers(poet)
graph.set_sink(poet, Poem)
graph.run(initial_tasks=[(poet, Topic(topic="snow"))], display_terminal=False)
print("no answer:", graph.get_output_tasks())
