"""A webhook with a receiver that plays the other side."""

SHARED = "shared-secret-0001"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
