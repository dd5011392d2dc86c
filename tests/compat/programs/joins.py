"""Joins within joins, and a merge of two kinds of tasks.

Prints:
    chapter sizes: [('one', 3), ('two', 2)]
    book: 2 chapters, 5 pages, first page one-0
    merged: [('Left', 2), ('Right', 3)]
"""

from typing import Dict, List, Type


from planai import Graph, InitialTaskWorker, JoinedTaskWorker, Task, TaskWorker
from planai.merged_task import MergedTaskWorker


class Book(Task):
    chapters: dict[str, int]


class Chapter(Task):
    title: str
    pages: int


class Page(Task):
    text: str


class ChapterSize(Task):
    title: str
    pages: int
    first: str


class BookSize(Task):
    chapters: List[ChapterSize]


class SplitBook(TaskWorker):
    output_types: List[Type[Task]] = [Chapter]

    def consume_work(self, task: Book):
        for title, pages in task.chapters.items():
            self.publish_work(Chapter(title=title, pages=pages), input_task=task)


class SplitChapter(TaskWorker):
    output_types: List[Type[Task]] = [Page]

    def consume_work(self, task: Chapter):
        for number in range(task.pages):
            self.publish_work(Page(text=f"{task.title}-{number}"), input_task=task)


class Read(TaskWorker):
    output_types: List[Type[Task]] = [Page]

    def consume_work(self, task: Page):
        self.publish_work(task.copy_public(), input_task=task)


class JoinChapter(JoinedTaskWorker):
    join_type: Type[TaskWorker] = SplitBook
    output_types: List[Type[Task]] = [ChapterSize]

    def consume_work_joined(self, tasks: List[Page]):
        chapter = tasks[0].find_input_task(Chapter)
        if chapter is None:
            raise ValueError("no chapter")
        prefix = tasks[0].prefix_for_input_task(SplitBook)
        assert prefix is not None and all(task.prefix(len(prefix)) == prefix for task in tasks)
        self.publish_work(ChapterSize(title=chapter.title, pages=len(tasks), first=tasks[0].text), input_task=tasks[0])


class JoinBook(JoinedTaskWorker):
    join_type: Type[TaskWorker] = InitialTaskWorker
    output_types: List[Type[Task]] = [BookSize]

    def consume_work_joined(self, tasks: List[ChapterSize]):
        self.publish_work(BookSize(chapters=[task.copy_public() for task in tasks]), input_task=tasks[0])


graph = Graph(name="Book")
split_book, split_chapter, read, join_chapter, join_book = (
    SplitBook(),
    SplitChapter(),
    Read(),
    JoinChapter(),
    JoinBook(),
)
graph.add_workers(split_book, split_chapter, read, join_chapter, join_book)
graph.set_dependency(split_book, split_chapter).next(read).next(join_chapter).next(join_book).sink(BookSize)
graph.run(initial_tasks=[(split_book, Book(chapters={"one": 3, "two": 2}))], display_terminal=False)
(book,) = graph.get_output_tasks()
print("chapter sizes:", [(chapter.title, chapter.pages) for chapter in book.chapters])
print(
    f"book: {len(book.chapters)} chapters, {sum(chapter.pages for chapter in book.chapters)} pages,",
    f"first page {book.chapters[0].first}",
)


class Start(Task):
    left: int
    right: int


class Left(Task):
    number: int


class Right(Task):
    number: int


class Merged(Task):
    counts: dict[str, int]


class Fork(TaskWorker):
    output_types: List[Type[Task]] = [Left, Right]

    def consume_work(self, task: Start):
        for number in range(task.right):
            self.publish_work(Right(number=number), input_task=task)
        for number in range(task.left):
            self.publish_work(Left(number=number), input_task=task)


class PassLeft(TaskWorker):
    output_types: List[Type[Task]] = [Left]

    def consume_work(self, task: Left):
        self.publish_work(task.copy_public(), input_task=task)


class PassRight(TaskWorker):
    output_types: List[Type[Task]] = [Right]

    def consume_work(self, task: Right):
        self.publish_work(task.copy_public(), input_task=task)


class Merge(MergedTaskWorker):
    join_type: Type[TaskWorker] = InitialTaskWorker
    output_types: List[Type[Task]] = [Merged]
    merged_types: List[Type[Task]] = [Left, Right]

    def consume_work_merged(self, tasks: Dict[str, List[Task]]):
        counts = {name: len(found) for name, found in tasks.items()}
        self.publish_work(Merged(counts=counts), input_task=tasks["Left"][0])


graph = Graph(name="Merge")
fork, pass_left, pass_right, merge = Fork(), PassLeft(), PassRight(), Merge()
graph.add_workers(fork, pass_left, pass_right, merge)
graph.set_dependency(fork, pass_left).next(merge)
graph.set_dependency(fork, pass_right).next(merge)
graph.set_sink(merge, Merged)
graph.run(initial_tasks=[(fork, Start(left=2, right=3))], display_terminal=False)
print("merged:", sorted(graph.get_output_tasks()[0].counts.items()))
