/* Completion scripts: commands, their options, and the keys that --set takes with their words. */
#include <stdio.h>
#include <string.h>

#include "ntk/config/walk.h"
#include "ntk/run/command.h"
#include "ntk/run/job.h"
#include "ntk/run/manual.h"

/* ---- lists --------------------------------------------------------------------------------- */

static ntk_status add_names(ntk_text *text) {
  for (const ntk_command *c = ntk_commands; c->name; ++c) {
    NTK_TRY(ntk_text_add(text, "%s%s", c == ntk_commands ? "" : " ", c->name));
  }
  return NTK_OK;
}

/* "check) echo '--set --expand' ;;" for every command. */
static ntk_status add_flags(ntk_text *text) {
  for (const ntk_command *c = ntk_commands; c->name; ++c) {
    NTK_TRY(ntk_text_add(text, "    %s) echo '", c->name));
    for (const ntk_flag *const *f = c->flags; *f; ++f)
      NTK_TRY(ntk_text_add(text, "%s ", (*f)->name));
    NTK_TRY(ntk_text_add(text, "--help' ;;\n"));
  }
  return NTK_OK;
}

/* Options whose value is one of a few words, or a file. */
static ntk_status add_flag_values(ntk_text *text) {
  for (const ntk_command *c = ntk_commands; c->name; ++c) {
    for (const ntk_flag *const *f = c->flags; *f; ++f) {
      if (!(*f)->words) continue;
      NTK_TRY(ntk_text_add(text, "    %s) echo '", (*f)->name));
      for (const char *const *w = (*f)->words; *w; ++w) NTK_TRY(ntk_text_add(text, "%s ", *w));
      NTK_TRY(ntk_text_add(text, "' ;;\n"));
    }
  }
  return NTK_OK;
}

/* Names of files an operand may have: an extended pattern, or "/" for folders. */
static ntk_status add_operands(ntk_text *text) {
  static const char *const kinds[][2] = {
      {"CONFIG", "yaml yml"}, {"FILE", "h5"}, {"PATH", "h5"}, {"DIR", "/"}, {NULL, NULL}};

  for (const ntk_command *c = ntk_commands; c->name; ++c) {
    for (int k = 0; c->operand && kinds[k][0]; ++k) {
      if (strcmp(c->operand, kinds[k][0]) != 0) continue;
      NTK_TRY(ntk_text_add(text, "    %s) echo '%s' ;;\n", c->name, kinds[k][1]));
    }
  }
  return NTK_OK;
}

/* Several rows of a variant may have the same key; it is listed once. */
static bool is_new_line(const ntk_text *text, const char *line) {
  const size_t length = strlen(line);
  const char *at = ntk_text_string(text);

  for (; (at = strstr(at, line)); ++at) {
    if (at[length] == '\n' || at[length] == '\0') return false;
  }
  return true;
}

/* Keys with values only: sections and lists have theirs below. */
static bool has_value(const ntk_option *o) {
  return (o->type != NTK_SECTION || o->flags & NTK_NONE) && o->type != NTK_TREE;
}

static ntk_status add_key(void *context, const ntk_walk_key *key) {
  ntk_text *text = context;
  char line[NTK_WALK_PATH + 8];

  (void)snprintf(line, sizeof(line), "\n%s=", key->path);
  if (!has_value(key->option) || !is_new_line(text, line)) return NTK_OK;
  return ntk_text_add(text, "%s", line);
}

/* "path=word" for every word a key may be set to. */
static ntk_status add_key_words(void *context, const ntk_walk_key *key) {
  const ntk_option *o = key->option;
  ntk_text *text = context;
  char line[NTK_WALK_PATH + NTK_NAME_SIZE];

  for (const ntk_row *const *row = o->rows; row && *row && o->type != NTK_CHOICES; ++row) {
    (void)snprintf(line, sizeof(line), "\n%s=%s", key->path, (*row)->name);
    if (is_new_line(text, line)) NTK_TRY(ntk_text_add(text, "%s", line));
  }
  if (o->type == NTK_BOOL) {
    (void)snprintf(line, sizeof(line), "\n%s=true", key->path);
    if (is_new_line(text, line)) NTK_TRY(ntk_text_add(text, "%s\n%s=false", line, key->path));
  }
  if (!(o->flags & NTK_AUTO)) return NTK_OK;
  (void)snprintf(line, sizeof(line), "\n%s=auto", key->path);
  return is_new_line(text, line) ? ntk_text_add(text, "%s", line) : NTK_OK;
}

/* ---- scripts ------------------------------------------------------------------------------- */

/* A shell function that prints a list. */
static ntk_status add_list(const char *name, ntk_walk_visit *visit, ntk_text *text) {
  ntk_text list = {0};
  ntk_status status = ntk_option_walk(&ntk_settings_section, visit, &list);

  if (status == NTK_OK) {
    status = ntk_text_add(text, "_ntkrun_%s() {\n  cat <<'END'%s\nEND\n}\n\n", name,
                          ntk_text_string(&list));
  }
  ntk_text_destroy(&list);
  return status;
}

static ntk_status add_case(const char *name, ntk_status (*rows)(ntk_text *text), ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "_ntkrun_%s() {\n  case $1 in\n", name));
  NTK_TRY(rows(text));
  return ntk_text_add(text, "  esac\n}\n\n");
}

/* What both shells know; every function prints words for a command, option or key. */
static ntk_status add_lists(ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "_ntkrun_commands='"));
  NTK_TRY(add_names(text));
  NTK_TRY(ntk_text_add(text, "'\n\n"));
  NTK_TRY(add_case("flags", add_flags, text));
  NTK_TRY(add_case("flag_values", add_flag_values, text));
  NTK_TRY(add_case("operands", add_operands, text));
  NTK_TRY(add_list("keys", add_key, text));
  return add_list("key_words", add_key_words, text);
}

/* Bash breaks words at "=": a.b=v comes as three. */
static const char bash_end[] =
    "_ntkrun() {\n"
    "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "  local command=${COMP_WORDS[1]} key='' ending IFS=$' \\t\\n'\n"
    "  COMPREPLY=()\n"
    "  [[ $word == '=' ]] && { key=$before; word=''; }\n"
    "  [[ $before == '=' ]] && key=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "  if [[ $COMP_CWORD == 1 ]]; then\n"
    "    COMPREPLY=($(compgen -W \"$_ntkrun_commands --help --version\" -- \"$word\"))\n"
    "  elif [[ -n $key ]]; then\n"
    "    COMPREPLY=($(compgen -W \"$(_ntkrun_key_words | sed -n \"s/^$key=//p\")\" -- \"$word\"))\n"
    "  elif [[ $before == --set ]]; then\n"
    "    COMPREPLY=($(compgen -W \"$(_ntkrun_keys)\" -- \"$word\"))\n"
    "    compopt -o nospace\n"
    "  elif [[ -n $(_ntkrun_flag_values \"$before\") ]]; then\n"
    "    COMPREPLY=($(compgen -W \"$(_ntkrun_flag_values \"$before\")\" -- \"$word\"))\n"
    "  elif [[ $word == -* ]]; then\n"
    "    COMPREPLY=($(compgen -W \"$(_ntkrun_flags \"$command\")\" -- \"$word\"))\n"
    "  else\n"
    "    compopt -o filenames\n"
    "    for ending in $(_ntkrun_operands \"$command\"); do\n"
    "      IFS=$'\\n'\n"
    "      [[ $ending == / ]] || COMPREPLY+=($(compgen -f -X \"!*.$ending\" -- \"$word\"))\n"
    "    done\n"
    "    IFS=$'\\n'\n"
    "    COMPREPLY+=($(compgen -d -- \"$word\"))\n"
    "  fi\n"
    "}\n"
    "complete -F _ntkrun ntkrun\n";

static const char zsh_end[] =
    "_ntkrun() {\n"
    "  local command=$words[2] before=$words[CURRENT-1] ending patterns\n"
    "  if (( CURRENT == 2 )); then\n"
    "    compadd -- ${=_ntkrun_commands} --help --version\n"
    "  elif [[ $before == --set && $PREFIX == *=* ]]; then\n"
    "    compadd -- ${(f)\"$(_ntkrun_key_words)\"}\n"
    "  elif [[ $before == --set ]]; then\n"
    "    compadd -S '' -- ${(f)\"$(_ntkrun_keys)\"}\n"
    "  elif [[ -n $(_ntkrun_flag_values $before) ]]; then\n"
    "    compadd -- ${=$(_ntkrun_flag_values $before)}\n"
    "  elif [[ $PREFIX == -* ]]; then\n"
    "    compadd -- ${=$(_ntkrun_flags $command)}\n"
    "  else\n"
    "    patterns=()\n"
    "    for ending in ${=$(_ntkrun_operands $command)}; do\n"
    "      [[ $ending == / ]] || patterns+=(\"*.$ending\")\n"
    "    done\n"
    "    (( $#patterns )) && _files -g \"(${(j:|:)patterns})\" || _files -/\n"
    "  fi\n"
    "}\n"
    "if [[ $funcstack[1] == _ntkrun ]]; then _ntkrun \"$@\"; else compdef _ntkrun ntkrun; fi\n";

ntk_status ntk_manual_completion(const char *shell, ntk_text *text) {
  const bool zsh = strcmp(shell, "zsh") == 0;

  NTK_TRY(ntk_text_add(text, "%s of ntkrun, made by ntkrun reference --completion %s\n\n",
                       zsh ? "#compdef ntkrun\n# Completion" : "# Completion", shell));
  NTK_TRY(add_lists(text));
  return ntk_text_add(text, "%s", zsh ? zsh_end : bash_end);
}
