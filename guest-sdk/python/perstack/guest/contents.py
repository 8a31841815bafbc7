"""Parts of answers, as the contract has them; its classes are in a module that is named differently in each world."""

from typing import Any

from ..output import Content


def lower(part: Content, wit: Any) -> Any:
    match part.kind:
        case "text":
            return wit.Content_Text(part.value)
        case "image":
            return wit.Content_Image(wit.Blob(part.media_type, part.value))
        case "file":
            return wit.Content_File(wit.Blob(part.media_type, part.value))
        case "workspace-file":
            return wit.Content_WorkspaceFile(wit.WorkspaceFile(part.value, part.media_type))


def lift(part: Any, wit: Any) -> Content:
    match part:
        case wit.Content_Text(text):
            return Content("text", text)
        case wit.Content_Image(blob):
            return Content("image", blob.data, blob.media_type)
        case wit.Content_File(blob):
            return Content("file", blob.data, blob.media_type)
        case wit.Content_WorkspaceFile(file):
            return Content("workspace-file", file.path, file.media_type)
