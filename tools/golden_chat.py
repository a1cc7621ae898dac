"""Renders chat templates with transformers, for the values of ChatTemplateTest.

    python tools/golden_chat.py model/src/test/resources/chat

The directory holds templates/*.jinja and conversations.json; golden.json is written beside them: by
template and conversation the text, or null where the template refuses. A second argument names
another directory of templates and a third another file for the result, for checks of real
templates by hand (tools/CheckChatTemplates.java reads it).

The clock stands at 2025-07-06 09:05:03.
"""

import datetime
import json
import pathlib
import sys

import transformers.utils.chat_template_utils as chat

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 7, 6, 9, 5, 3)


def render(template, conversation):
    try:
        rendered, _ = chat.render_jinja_template(
            conversations=[conversation["messages"]],
            tools=conversation.get("tools"),
            chat_template=template,
            add_generation_prompt=conversation.get("add_generation_prompt", True),
            **{**TOKENS, **conversation.get("variables", {})},
        )
        return rendered[0]
    except Exception as e:  # a template may raise anything
        print(f"  {conversation['name']}: {type(e).__name__}: {e}", file=sys.stderr)
        return None


def main():
    chat.datetime = Clock
    directory = pathlib.Path(sys.argv[1])
    templates = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else directory / "templates"
    result = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else directory / "golden.json"
    conversations = json.loads((directory / "conversations.json").read_text())
    golden = {}
    for file in sorted(templates.glob("*.jinja")):
        print(file.name, file=sys.stderr)
        text = file.read_bytes().decode()
        # One that does not look at the conversation needs only one.
        used = conversations if "messages" in text else conversations[:1]
        golden[file.name] = {c["name"]: render(text, c) for c in used}
    result.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
