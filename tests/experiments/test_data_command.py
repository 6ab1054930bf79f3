"""``anomaly-lab data fetch`` from a publisher on this machine."""

from publisher import RATINGS, zipped

NAME = "ml-100k"


def test_a_data_set_is_fetched_once(cli, publisher, tmp_path, monkeypatch):
    publisher.publish(NAME, zipped({f"{NAME}/u.data": RATINGS}))
    monkeypatch.chdir(tmp_path)
    ran = cli("data", "fetch", NAME, "--base-url", publisher.url)
    assert ran.code == 0
    first, licence = ran.out.splitlines()
    assert first == f"data/{NAME}: fetched, its checksum is right"
    assert "GroupLens" in licence
    assert "bytes" in ran.err
    again = cli("data", "fetch", NAME, "--base-url", publisher.url)
    assert again.code == 0
    assert again.out.splitlines()[0] == f"data/{NAME}: is there already, left alone"
    assert (tmp_path / "data" / NAME / "u.data").read_text() == RATINGS


def test_another_folder_is_taken(cli, publisher, tmp_path):
    publisher.publish(NAME, zipped({f"{NAME}/u.data": RATINGS}))
    assert cli("data", "fetch", NAME, "--to", tmp_path / "here", "--base-url", publisher.url).code == 0
    assert (tmp_path / "here" / NAME / "u.data").is_file()


def test_mistakes_are_one_line(cli, tmp_path):
    for arguments, words in (
        (("ml-100", "--to", tmp_path), "did you mean ml-100k?"),
        ((NAME, "--to", tmp_path, "--base-url", "http://127.0.0.1:9"), "by hand and unpack it so that"),
    ):
        ran = cli("data", "fetch", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("error: ")
        assert ran.err.count("\n") == 1
        assert words in ran.err
    assert [*tmp_path.iterdir()] == []


def test_the_commands_explain_themselves(cli):
    assert "Fetch published ratings" in cli("--help").out
    assert "fetch" in cli("data", "--help").out
    help_of_fetch = cli("data", "fetch", "--help").out
    assert "Fetch a MovieLens data set from GroupLens" in help_of_fetch
    assert "--base-url" in help_of_fetch
