"""stub replaced below"""


def main() -> None: ...
