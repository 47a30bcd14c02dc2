from typing import Annotated

from jetbridge.api.auth import ApiRequest
from jetbridge.api.routers.destinations import find_destination
from jetbridge.api.routing import ApiRouter
from jetbridge.api.schemas import Id, OutSchema, example

router = ApiRouter(tags=["Lighthouses"])


class CrewOut(OutSchema):
    crew: Annotated[list[str], example(["Ida"])]


@router.get("/destinations/{int:destination}/lighthouse/crew", response=CrewOut)
def list_crew(request: ApiRequest, destination: Id) -> CrewOut:
    """Who keeps a lighthouse."""
    find_destination(request.auth, destination)
    return CrewOut(crew=["Ida"])
