# fish completion for dmsnapctl. The program itself finds the completions.

function __dmsnapctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] complete -- $words[2..] "$current" 2>/dev/null)
        switch $line
            case ':files'
                set -l before (string match -r -- '^--[^=]*=' $current)
                printf "$before%s\n" (__fish_complete_path (string replace -r -- '^--[^=]*=' '' $current))
            case ':dirs'
                set -l before (string match -r -- '^--[^=]*=' $current)
                printf "$before%s\n" (__fish_complete_directories (string replace -r -- '^--[^=]*=' '' $current))
            case '*'
                echo $line
        end
    end
end

complete -c dmsnapctl -f -a '(__dmsnapctl_complete)'
