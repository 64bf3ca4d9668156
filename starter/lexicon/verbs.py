"""Verbs with their past tense, and what they are done to."""

from starter.lexicon.text import table, words

# base -> past tense
PAST = table(
    """
    buy:bought sell:sold find:found lose:lost make:made bring:brought take:took give:gave keep:kept hide:hid
    break:broke choose:chose draw:drew hold:held leave:left send:sent see:saw wear:wore throw:threw steal:stole
    catch:caught forget:forgot get:got show:showed put:put build:built paint:painted clean:cleaned wash:washed
    repair:repaired open:opened close:closed carry:carried move:moved order:ordered borrow:borrowed
    collect:collected drop:dropped examine:examined fetch:fetched fill:filled finish:finished fold:folded
    fix:fixed inspect:inspected lift:lifted like:liked love:loved need:needed measure:measured pack:packed
    polish:polished pull:pulled push:pushed receive:received remember:remembered rent:rented return:returned
    share:shared touch:touched use:used visit:visited want:wanted watch:watched admire:admired describe:described
    deliver:delivered notice:noticed replace:replaced test:tested unpack:unpacked wrap:wrapped store:stored
    hang:hung cut:cut cook:cooked eat:ate drink:drank read:read write:wrote sing:sang play:played study:studied
    print:printed sign:signed burn:burned shake:shook weigh:weighed warm:warmed tie:tied
    """
)
THING_VERBS = words(
    """
    buy sell find lose make bring take keep hide break choose draw hold leave send see throw steal catch forget
    get paint clean wash repair carry move order borrow collect drop examine fetch finish fix inspect lift like
    love need measure pack polish pull push receive remember rent return share touch use want watch admire
    describe deliver notice replace test unpack wrap store hang weigh shake
    """
)
# Verbs that stand alone, with their past tense.
ALONE = table(
    """
    sleep:slept run:ran walk:walked laugh:laughed sing:sang dance:danced work:worked wait:waited smile:smiled
    swim:swam arrive:arrived cry:cried travel:travelled rest:rested talk:talked listen:listened shout:shouted
    fall:fell jump:jumped sit:sat stand:stood think:thought speak:spoke win:won leave:left cough:coughed
    whistle:whistled study:studied cook:cooked climb:climbed
    """
)
