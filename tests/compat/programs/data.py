"""Tasks as data: XML, copies, wrapped dictionaries.

Prints:
    <Page>
      <url>a&amp;b</url>
      <tags>
        <item>x</item>
        <item>y</item>
      </tags>
      <size>
        <width>3</width>
      </size>
      <note/>
    </Page>
    <root>
      <a_b>true</a_b>
    </root>
    {'name': 'n', 'inner': {'values': [1, 2]}} Thing 2
    Page True False
    True 0 True
"""


from planai import PydanticDictWrapper, Task
from planai.task import Task as SameTask
from planai.utils import dict_dump_xml, measure_time


class Size(Task):
    width: int


class Page(Task):
    url: str
    tags: list[str]
    size: Size
    note: str | None = None


page = Page(url="a&b", tags=["x", "y"], size=Size(width=3))
print(page.model_dump_xml().strip())
print(dict_dump_xml({"a b": True}).strip())
thing = PydanticDictWrapper({"name": "n", "inner": {"values": [1, 2]}}, name="Thing")
print(thing.dict(), thing.model.__name__, thing.inner.values[1])
print(page.name, page.is_type(Page), page.is_type(Size))
with measure_time() as timer:
    copied = page.copy_public()
print(copied.url == page.url and isinstance(page, SameTask), copied.retry_count, timer["elapsed_time"] >= 0)
