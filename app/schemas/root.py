"""What the server says of itself."""

TRUE = {"type": "boolean", "enum": [True], "description": "Always true.", "examples": [True]}
GREETING = {"type": "string", "description": "A waving hand.", "examples": ["\N{WAVING HAND SIGN}"]}
