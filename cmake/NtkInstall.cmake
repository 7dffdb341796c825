# cmake --install: the program with its manual page and shell completion, the scripts in
# share/ntkrun/tools (ntkrun-mpirun, ntkrun-plot, ntkrun-report, ntkrun-submit, ntkrun-summarize in bin), job scripts,
# configs, documentation.
include(GNUInstallDirs)

install(TARGETS ntkrun)
set_target_properties(ntkrun PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON) # Spack, modules

# The program prints them from the tables that it parses configs and command lines with: in the build, and
# when it is installed where only the target ntkrun was built.
set(pages ${PROJECT_BINARY_DIR}/pages)
file(MAKE_DIRECTORY ${pages})
function(ntk_page file folder)
  set(print ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0 $<TARGET_FILE:ntkrun> reference ${ARGN})
  add_custom_command(OUTPUT ${pages}/${file} COMMAND ${print} > ${pages}/${file} DEPENDS ntkrun VERBATIM)
  list(JOIN print "\" \"" words)
  install(CODE "if(\"$<TARGET_FILE:ntkrun>\" IS_NEWER_THAN \"${pages}/${file}\")
    execute_process(COMMAND \"${words}\" OUTPUT_FILE \"${pages}/${file}\" COMMAND_ERROR_IS_FATAL ANY)
  endif()")
  install(FILES ${pages}/${file} DESTINATION ${folder})
endfunction()
ntk_page(ntkrun.1 ${CMAKE_INSTALL_MANDIR}/man1 --man)
ntk_page(ntkrun ${CMAKE_INSTALL_DATADIR}/bash-completion/completions --completion bash)
ntk_page(_ntkrun ${CMAKE_INSTALL_DATADIR}/zsh/site-functions --completion zsh)
add_custom_target(ntk_pages ALL DEPENDS ${pages}/ntkrun.1 ${pages}/ntkrun ${pages}/_ntkrun)

set(tools ${CMAKE_INSTALL_DATADIR}/ntkrun/tools)
install(PROGRAMS tools/mpirun tools/plot.py tools/report tools/submit tools/summarize.py tools/python DESTINATION ${tools})
install(FILES tools/results.py tools/scalars.py tools/figures.py tools/ntkload.py tools/usage.py DESTINATION ${tools})
foreach(script mpirun plot.py report submit summarize.py)
  get_filename_component(name ${script} NAME_WE)
  file(RELATIVE_PATH path /${CMAKE_INSTALL_BINDIR} /${tools}/${script}) # the prefix may move
  file(WRITE ${pages}/ntkrun-${name}
    "#!/bin/sh\nexec \"$(dirname \"$(realpath \"$0\")\")/${path}\" \"$@\"\n")
  install(PROGRAMS ${pages}/ntkrun-${name} DESTINATION ${CMAKE_INSTALL_BINDIR})
endforeach()

install(DIRECTORY configs jobs DESTINATION ${CMAKE_INSTALL_DATADIR}/ntkrun)
install(FILES README.md CHANGELOG.md CITATION.cff LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
