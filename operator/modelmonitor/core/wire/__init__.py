"""The messages that cross process boundaries; both sides are written against these types.

Every message has a `schema` number. Unknown keys are ignored; a change of meaning raises the
number, and the controller reads the two before, because sidecars live as long as their pods.
"""
