"""A launcher that needs no process of its own."""


class Engine:
    """Calls the function with each number in this process; those that are to die are not called.

    Attributes:
        deaths: Numbers whose process dies, each so many times.
        launched: The numbers of each launch.
        used: Whether it was given anything to do.
    """

    name = "engine"

    def __init__(self, directory, **deaths):
        self.directory = directory
        self.deaths = {int(number[1:]): times for number, times in deaths.items()}
        self.launched = []

    @property
    def used(self):
        return bool(self.launched)

    def launch(self, function, numbers):
        self.launched.append(list(numbers))
        for number in numbers:
            if self.deaths.get(number, 0) > 0:
                self.deaths[number] -= 1
                # As far as a job comes before its process is killed.
                (next(self.directory.iterdir()) / f"{number}.begun").touch()
                raise OSError("a worker was killed")
            function(number)
