from django.urls import path

from lighthouse import views

urlpatterns = [path("crew/", views.crew, name="lighthouse-crew")]
