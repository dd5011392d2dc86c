"""A chat, and a tool of a model.

Prints:
    assistant: Hello!
    [ChatMessage(role='user', content='Hi'), ChatMessage(role='assistant', content='Hello!')]
    add: Add two numbers. ['a', 'b']
    5
"""

from planai import ChatMessage, ChatTask, ChatTaskWorker, Graph, Tool, tool
from planai.testing import MockLLM, MockLLMResponse

llm = MockLLM(responses=[MockLLMResponse(pattern="Hi", response_string="Hello!")])
graph = Graph(name="Chat")
chat = ChatTaskWorker(llm=llm)
graph.add_workers(chat)
graph.set_sink(chat, ChatMessage)
messages = [ChatMessage(role="user", content="Hi")]
graph.run(initial_tasks=[(chat, ChatTask(messages=messages))], display_terminal=False)
answer = graph.get_output_tasks()[0]
print(f"{answer.role}: {answer.content}")
print(messages + [answer.copy_public()])


@tool(name="add", description="Add two numbers.")
def add(a: int, b: int) -> int:
    """Add.

    Args:
        a: one number
        b: another one
    """
    return a + b


assert isinstance(add, Tool)
print(f"{add.name}: {add.description}", list(add.parameters["properties"]))
print(add.execute(a=2, b=3))
