"""What workers and models may look up in the web: searches and pages."""

from planai.integrations.browse import WebBrowser as WebBrowser
from planai.integrations.pages import Page as Page
from planai.integrations.pages import PageFetcher as PageFetcher
from planai.integrations.search import SearchApi as SearchApi
from planai.integrations.search import SerperGoogleSearchTool as SerperGoogleSearchTool
