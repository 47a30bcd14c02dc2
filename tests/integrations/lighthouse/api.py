from typing import Annotated

from jetbridge.api.routing import ApiRequest, ApiRouter
from jetbridge.api.schemas import Id, OutSchema, example

router = ApiRouter(tags=["Lighthouses"])


class CrewOut(OutSchema):
    crew: Annotated[list[str], example(["Ida"])]


@router.get("/destinations/{int:destination}/lighthouse/crew", response=CrewOut)
def list_crew(request: ApiRequest, destination: Id) -> CrewOut:
    """Who keeps a lighthouse."""
    request.auth.destination(destination)
    return CrewOut(crew=["Ida"])
