"""The edge of the feedback loop, of local mode and operator: engines are asked, routers heard, weights go out."""
