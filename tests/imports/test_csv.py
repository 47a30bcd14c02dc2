"""What people's spreadsheets write, byte for byte."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jetbridge.errors import ConfigurationError
from jetbridge.imports.files.options import Options
from jetbridge.imports.files.scan import scan
from jetbridge.imports.files.text import FileError

if TYPE_CHECKING:
    from .conftest import ReadFile

TABLE = 'userId,email,note\nu1,ada@example.com,"Hi, you"\nu2,bob@example.com,plain\n'
PEOPLE = ["u1", "u2"]
NOTES = ["Hi, you", "plain"]


# ---- types of columns


@pytest.mark.parametrize(
    ("cells", "values", "kind"),
    [
        (["20095", "01067"], ["20095", "01067"], "text"),
        (["12E3"], ["12E3"], "text"),
        (["1.10", "2"], ["1.10", "2"], "text"),
        (["1.1", "2", "-7"], [1.1, 2, -7], "number"),
        (["0.5", "0.25"], [0.5, 0.25], "number"),
        (["+33612345678"], ["+33612345678"], "text"),
        (["1,5"], ["1,5"], "text"),
        (["12", "twelve"], ["12", "twelve"], "text"),
        (["1", "", "3"], [1, None, 3], "number"),
        (["1234567890123456"], ["1234567890123456"], "text"),
        (["12e4567890"], ["12e4567890"], "text"),
        (["1_000"], ["1_000"], "text"),
        (["٣"], ["٣"], "text"),
        (["-0"], ["-0"], "text"),
        (["nan", "inf"], ["nan", "inf"], "text"),
        (["true", "FALSE"], [True, False], "boolean"),
        (["true", "yes"], ["true", "yes"], "text"),
        (["true", "1"], ["true", "1"], "text"),
        (["", "  "], [None, None], "text"),
    ],
)
def test_a_column_has_a_type_only_if_every_cell_has_it(
    read: "ReadFile", cells: list[str], values: list[object], kind: str
) -> None:
    lines = "".join(f'u{n},"{cell}"\n' for n, cell in enumerate(cells))
    found = read("userId,x\n" + lines)
    assert [traits.get("x") for traits in found.traits] == values
    assert [type(traits.get("x")) for traits in found.traits] == [type(value) for value in values]
    assert found.kinds["x"] == kind


@pytest.mark.parametrize("name", ["Zip Code", "zip code", "zipcode", "ZIP_CODE"])
def test_a_column_of_text_is_never_a_number(read: "ReadFile", name: str) -> None:
    assert read("userId,Zip Code\nu,42\n", text=(name,)).traits == [{"Zip Code": "42"}]


@pytest.mark.parametrize(
    ("cells", "ids"),
    [
        (["55520.0", "7.0"], ["55520", "7"]),
        (["12e4567890", "1e3"], ["12e4567890", "1e3"]),
        (["0042"], ["0042"]),
        (["1.0", "1.1"], ["1.0", "1.1"]),
        ([" 7 "], ["7"]),
        (["12345678901234567890"], ["12345678901234567890"]),
    ],
)
def test_ids_are_text(read: "ReadFile", cells: list[str], ids: list[str]) -> None:
    assert read("userId\n" + "".join(f"{cell}\n" for cell in cells)).people == ids


# ---- headers


@pytest.mark.parametrize(
    "header",
    [
        "email",
        "Email",
        "EMAIL",
        " email",
        "email ",
        "E-Mail",
        "e_mail",
        "e mail",
        "Email Address",
        "\u200bemail",
    ],
)
def test_the_address_is_found_however_its_column_is_spelled(read: "ReadFile", header: str) -> None:
    assert read(f"{header},a\nada@example.com,x\n").calls == [
        {
            "type": "identify",
            "anonymousId": "ada@example.com",
            "traits": {"email": "ada@example.com", "a": "x"},
        }
    ]


@pytest.mark.parametrize("header", ["userId", "user_id", "User ID", "USERID", "user-id", "UserId "])
def test_the_user_id_is_found_however_its_column_is_spelled(read: "ReadFile", header: str) -> None:
    assert read(f"{header},a\n7,x\n").calls == [{"type": "identify", "userId": "7", "traits": {"a": "x"}}]


@pytest.mark.parametrize("header", ["unsubscribed", "Unsubscribed", " UNSUBSCRIBED "])
def test_consent_is_found_however_its_column_is_spelled(read: "ReadFile", header: str) -> None:
    assert read(f"email,{header}\nada@example.com,yes\n").traits == [
        {"email": "ada@example.com", "unsubscribed": "yes"}
    ]


def test_consent_that_cannot_be_read_is_a_warning_and_the_row_goes(read: "ReadFile") -> None:
    found = read("email,Unsubscribed\na@example.com,x\nb@example.com,no\nc@example.com,\n")
    assert [bool(row.call) for row in found.rows] == [True] * 3
    assert [row.warning for row in found.rows] == [
        "says x as unsubscribed, which is neither yes nor no: the properties go, and no subscription changes",
        "",
        "",
    ]


def test_columns_may_be_chosen(read: "ReadFile") -> None:
    found = read(
        "Customer,Kontakt,userId,a\n0042,ada@example.com,9,old\n",
        user_id_column="customer",
        email_column="Kontakt",
    )
    traits = {"email": "ada@example.com", "userId": 9, "a": "old"}
    assert found.calls == [{"type": "identify", "userId": "0042", "traits": traits}]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "userId,plan,plan",
            r"A column is there twice: columns 2 \(plan\) and 3 \(plan\). Rename or delete one",
        ),
        (
            "email,E-Mail,a",
            r"Two columns say the email address: columns 1 \(email\) and 2 \(E-Mail\).*--email-column",
        ),
        ("userId,User ID,a", r"Two columns say the userId.*--user-id-column"),
        (
            "email,unsubscribed,Unsubscribed",
            r"Two columns say whether somebody has unsubscribed.*rename or delete",
        ),
        ("a,b,c", r"names nobody.*\(--email-column, --user-id-column\). Its columns: a, b, c"),
    ],
)
def test_a_header_that_can_be_read_in_two_ways_is_refused(
    read: "ReadFile", header: str, message: str
) -> None:
    with pytest.raises(FileError, match=message):
        read(f"{header}\n1,2,3\n")


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("mail,E-Mail,email", "mail"),
        ("E-Mail,email,x", "E-Mail"),
        ("email,E-Mail,x", "email"),
        ("mail,x,email", "MAIL"),
    ],
)
def test_a_chosen_column_settles_which_of_two_it_is(read: "ReadFile", header: str, chosen: str) -> None:
    found = read(f"{header}\nada@example.com,b@example.com,c@example.com\n", email_column=chosen)
    assert found.people == ["ada@example.com"]
    assert found.traits[0]["email"] == "ada@example.com"


def test_a_chosen_key_is_the_address_of_an_object(read: "ReadFile") -> None:
    for text in (
        '{"mail": "ada@example.com", "email": "b@x"}',
        '{"email": "b@x", "mail": "ada@example.com"}',
    ):
        assert read(text, email_column="mail").traits == [{"email": "ada@example.com"}]


def test_beside_email_another_address_is_a_trait_which_counts_where_email_is_empty(read: "ReadFile") -> None:
    found = read("email_address,email,n\nold@example.com,ada@example.com,1\nbob@example.com,,2\n")
    assert found.people == ["ada@example.com", "bob@example.com"]
    assert found.traits[0] == {"email_address": "old@example.com", "email": "ada@example.com", "n": 1}


def test_a_column_that_is_not_there_is_named(read: "ReadFile") -> None:
    with pytest.raises(FileError, match=r"no column 'Kunde' \(--user-id-column\). Its columns: userId, a"):
        read("userId,a\n1,2\n", user_id_column="Kunde")


def test_a_column_without_a_name_is_left_out(read: "ReadFile") -> None:
    found = read("userId,,a,,\n1,x,2,,\n2,,3,,\n")
    assert found.traits == [{"a": 2}, {"a": 3}]


# ---- encodings


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("encoding", "label"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8, by its byte order mark"),
        ("utf-16", "UTF-16, by its byte order mark"),
        ("utf-16-le", "UTF-16 (little-endian)"),
        ("utf-16-be", "UTF-16 (big-endian)"),
        ("utf-32", "UTF-32, by its byte order mark"),
        ("cp1252", "Windows-1252 (Western Europe)"),
    ],
)
def test_encodings_and_line_ends(
    read: "ReadFile", encoding: str, label: str, end: str, *, packed: bool
) -> None:
    text = "userId,name,email\nu1,Zoë,zoe@exämple.com\nu2,François,f@example.com\n".replace("\n", end)
    found = read(text.encode(encoding), packed=packed)
    assert [traits["name"] for traits in found.traits] == ["Zoë", "François"]
    assert found.traits[0]["email"] == "zoe@exämple.com"
    assert found.scan.contents.encoding.label == label
    assert found.scan.contents.is_packed is packed
    assert [row.place.line for row in found.rows] == [2, 3]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Zoë"),
        ("cp1252", "5 € “neu” ½"),
        ("cp1252", "MÜNCHEN\nb@example.com,KÖLN\nc@example.com,ÅRHUS"),
        (
            "cp1250",
            "Łukasz Wiśniewski mieszka w Łodzi przy ulicy Świętej\nb@example.com,Żaneta Dąbrowska będzie później w Gdańsku",
        ),
        ("cp1251", "Иван Петров\nb@example.com,Санкт-Петербург"),
        ("cp1253", "Γιώργος\nb@example.com,Θεσσαλονίκη"),
        ("koi8-r", "Иван Петров\nb@example.com,Санкт-Петербург"),
        ("shift_jis", "田中太郎\nb@example.com,東京\nc@example.com,大阪の鈴木花子"),
        ("mac-roman", "François Lefèvre\nb@example.com,Hélène\nc@example.com,Zoé Müller"),
    ],
)
def test_an_encoding_without_a_mark_is_guessed_and_shown(read: "ReadFile", encoding: str, text: str) -> None:
    table = f"email,name\na@example.com,{text}\n" + "".join(f"p{n}@example.com,plain\n" for n in range(500))
    found = read(table.encode(encoding))
    assert found.traits == read(table).traits
    assert found.scan.contents.encoding.codec == encoding
    assert found.scan.contents.encoding.is_guess
    assert found.scan.contents.encoding.example == table.splitlines()[1]


def test_a_person_knows_better(read: "ReadFile") -> None:
    table = "email,city\na@example.com,Łódź\n".encode("iso8859-2")
    assert read(table, encoding="iso8859-2").traits[0]["city"] == "Łódź"
    with pytest.raises(ConfigurationError, match="There is no encoding 'klingon'"):
        read(table, encoding="klingon")


def test_one_bad_byte_spoils_its_row_and_not_the_file(read: "ReadFile") -> None:
    good = "".join(f"p{n}@example.com,Zoë\n" for n in range(20)).encode()
    found = read(b"email,name\nada@example.com,Zo\xeb\n" + good)
    assert found.rejected == [(2, "holds bytes that are no text in this encoding")]
    assert [traits["name"] for traits in found.traits] == ["Zoë"] * 20


# ---- dialects


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("declared", [False, True])
def test_the_separator_is_found_or_declared(read: "ReadFile", delimiter: str, *, declared: bool) -> None:
    table = TABLE.replace(",", delimiter)
    found = read(f"sep={delimiter}\r\n{table}" if declared else table)
    assert (found.people, [t["note"] for t in found.traits]) == (
        PEOPLE,
        [n.replace(",", delimiter) for n in NOTES],
    )
    assert [row.place.line for row in found.rows] == ([3, 4] if declared else [2, 3])


@pytest.mark.parametrize(
    ("text", "traits"),
    [
        ("email;price\na@example.com;1,5\nb@example.com;2,5\n", ["1,5", "2,5"]),
        ("email,tags\na@example.com,a;b;c\nb@example.com,d;e;f\n", ["a;b;c", "d;e;f"]),
        ("email,x y z\na@example.com,a b c\nb@example.com,d e f\n", ["a b c", "d e f"]),
        ("email, x\na@example.com, 1\nb@example.com, 2\n", [1, 2]),
    ],
)
def test_what_stands_in_cells_does_not_mislead(read: "ReadFile", text: str, traits: list[object]) -> None:
    assert [list(found.values())[1] for found in read(text).traits] == traits


def test_one_column_needs_no_separator(read: "ReadFile") -> None:
    assert read("email\na@example.com\nb@example.com\n").people == ["a@example.com", "b@example.com"]


def test_a_separator_may_be_said(read: "ReadFile") -> None:
    assert read("email^a\na@example.com^1\n", delimiter="^").traits == [{"email": "a@example.com", "a": 1}]


# ---- rows


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("u1", "has 1 cell, and the header 3"),
        ("u1,a@example.com,x,y", "has 4 cells, and the header 3"),
        (",,x", "names nobody: it has neither an email address nor a userId"),
        ("u1,ada@,x", "has an email that is no address: ada@"),
        ("u1,b@example..com,x", "has an email that is no address: b@example..com"),
        ("u1,a@example.com," + "x" * 200_000, "is 200,"),
        ("u1,a@example.com," + "x" * 1_200_000, "is longer than 1,000,000 characters"),
        ('u1,a@example.com,"a"b"', "has a quotation mark that is not closed"),
    ],
)
def test_a_bad_row_is_named_and_the_others_go(read: "ReadFile", row: str, reason: str) -> None:
    found = read(f"userId,email,note\nu0,z@example.com,x\n{row}\nu9,b@example.com,y\n")
    ((line, said),) = found.rejected
    assert (line, found.people) == (3, ["u0", "u9"])
    assert said.startswith(reason)


def test_a_row_that_is_too_large_names_its_largest_cell(read: "ReadFile") -> None:
    ((_, reason),) = read(f"userId,a,note\nu1,1,{'x' * 200_000}\n").rejected
    assert "of which note is 200,002; 32,000 are allowed" in reason


@pytest.mark.parametrize(
    "spoilt",
    [
        '1,"Zoe,zoe@example.com',  # swallows up to the end
        '1,Zoe,"zoe@example.com',
        '1,"Zoe" Z,zoe@example.com',
        '"1,Zoe,zoe@example.com',
    ],
)
@pytest.mark.parametrize(
    "rest",
    [
        "2,Bob,bob@example.com\n3,Cy,cy@example.com\n",
        '2,"Bob",bob@example.com\n3,Cy,cy@example.com\n',
        '2,Bob,"bob@example.com"\n3,"Cy","cy@example.com"\n',
        "2,Bob,bob@example.com\n3,Cy,cy@example.com",
    ],
)
def test_a_quote_that_is_not_closed_spoils_its_line_and_no_other(
    read: "ReadFile", spoilt: str, rest: str
) -> None:
    found = read(f"id,name,email\n{spoilt}\n{rest}")
    ((line, reason),) = found.rejected
    assert line == 2
    assert "has a quotation mark that is not closed" in reason
    assert found.people == ["bob@example.com", "cy@example.com"]


def test_two_open_quotes_do_not_swallow_the_row_between_them(read: "ReadFile") -> None:
    found = read(
        'id,name,email\n1,"Zoe,z@example.com\n2,Bob,b@example.com\n3,Cy",c@example.com\n4,D,d@example.com\n'
    )
    assert [line for line, _ in found.rejected] == [2]
    assert found.people == ["b@example.com", "c@example.com", "d@example.com"]


def test_an_open_quote_in_a_large_file_is_found_before_it_fills_memory(read: "ReadFile") -> None:
    rest = "".join(f"{n},p{n}@example.com\n" for n in range(100_000))
    found = read(f'name,email\n"Zoe,zoe@example.com\n{rest}')
    assert (len(found.rejected), len(found.people)) == (1, 100_000)


def test_a_cell_may_hold_line_ends_and_its_row_is_named_by_its_first_line(read: "ReadFile") -> None:
    found = read('userId,note\nu1,"two\nlines"\nu2,one\n\n,\nu3,"a ""b"" c"\n')
    assert [row.place.line for row in found.rows] == [2, 4, 7]
    assert [traits["note"] for traits in found.traits] == ["two\nlines", "one", 'a "b" c']


def test_the_same_row_in_the_same_place_is_the_same_message(read: "ReadFile") -> None:
    text = "userId,a\nu1,1\nu1,1\nu2,2\n"
    first = [row.call for row in read(text).rows]
    assert [row.call for row in read(text).rows] == first
    assert len(set(first)) == 3


# ---- files that are none


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"userId,a\n", "has no rows"),
        (b"PK\x03\x04rest", "an Excel workbook or a zip archive. Save the sheet as"),
        (b"\xd0\xcf\x11\xe0rest", "an old Excel workbook"),
        (b"%PDF-1.7", "a PDF"),
        (b"a,b\n\x00\x00\x01", "no text: it holds zero bytes"),
        (b"\x1f\x8bgarbage", "damaged or cut off"),
    ],
)
def test_what_is_no_table_is_named(read: "ReadFile", content: bytes, message: str) -> None:
    with pytest.raises(FileError, match=message):
        read(content)


def test_a_bomb_is_refused_before_it_is_unpacked(read: "ReadFile") -> None:
    with pytest.raises(FileError, match="unpacks to more than 300 times its size"):
        read(b"email\n" + b"a" * 100_000_000, packed=True)


@pytest.mark.parametrize(
    "content",
    [
        "email\n" + "\n" * 300_000 + "a@example.com\n",
        "[" + '{"email": "a@example.com"},' * 50_000 + "1]",
        "{}\n" * 100_000,
    ],
)
def test_whatever_is_read_says_that_it_gets_on(read: "ReadFile", tmp_path: Path, content: str) -> None:
    """The worker takes a thread that says nothing for one that hangs."""
    path = tmp_path / "people"
    path.write_text(content)
    told: list[int] = []
    found = scan(path, Options(), on_bytes=told.append)
    assert told == sorted(told)
    assert told[-1] <= path.stat().st_size
    in_rows: list[int] = []
    list(found.rows(in_rows.append))
    assert min(len(told), len(in_rows)) >= 15
