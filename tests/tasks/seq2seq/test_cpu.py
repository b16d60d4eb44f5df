"""How many cores a process may keep busy."""


def test_a_process_that_shares_the_machine_keeps_to_its_share_and_never_to_none(run_python):
    printed = run_python(
        """
        from tasks.seq2seq.cpu import available_cores, use_at_most
        before = available_cores()
        found = []
        for share in (1, 0, 10_000):
            use_at_most(share)
            found.append(available_cores())
        print(found == [1, 1, before], before >= 1)
        """
    )
    assert printed.split() == ["True", "True"]
