"""Software from the field: small programs that do what programs in public reports do, under the real daemon."""
