"""Frequent English words that stand in no other list; copying, spelling and word lists use them."""

from starter.lexicon.text import words

COMMON = words(
    """
    a able about above accept accident account across act action actually add address adult advice affect afraid
    again against age ago agree air alarm alive all allow almost alone along already also although always among
    amount and another answer any anyone anything anyway apart appear apply appointment area argue around arrange
    arrive art article as ask at attack attempt attention audience average avoid award away baby bad balance band
    base basic be because become been beg behave behind being belief believe belong below beside best better
    between beyond bill birth birthday bit bite blame blind block blood blow board bone born both bottom brain
    branch brand breakfast breath breathe brief bright broad budget burst bury business but by calculate call calm
    campaign can cancel cannot capital care career case cash cause celebrate cell centre century certain chain
    chance change channel chapter character charge chat cheap check chief child children choice citizen city claim
    class clear click client climate cloud club coast code collar college column combine come comfort command
    comment common community company compare compete complain complete concert condition confirm connect consider
    contact contain content contract control conversation cool copy corner correct cost could count country couple
    courage course court cover crash create credit crew crime cross crowd culture current curve custom customer
    customers damage danger data date dead deal death debate debt decide decision deep defend degree delay delete
    demand depend deposit depth design desire destroy detail develop device diet difference different difficult
    digital dinner direct direction disappear discover discuss discount dish distance divide do document does
    dollar door double doubt down download dozen draft dream during dust duty each early earn easily easy economy
    edge education effect effort eight either electric electricity eleven else email emergency employ employee
    encourage end enemy energy enjoy enough enter entire entrance equal equipment error escape especially euro
    even evening event ever every everyone everything evidence exact exam example excellent except exchange excuse
    exercise exist exit expect expert explain express extra face fact factor fail fair faith fall false fame
    family fancy far fashion fast fat fault favour feature fee feed feel fellow fence few fifteen fifty fight
    figure film final finance fire firm first fit five flame flash flat flavour flight float floor flour flow
    follow for force foreign forever form forward found four frame free freedom fresh friend friendly from front
    fuel full fun fund further future gain gallery gap gas gate general gentle gift girl give glad global go goal
    gone good goods government grade grand grant grass great ground group grow growth guarantee guard guess guest
    guide habit hair half handle happen harm has have he health hear heat heaven height hello help her here hero
    herself hers high him himself hire his history hit holiday home honest hot hour how however human hundred
    hurry hurt husband I ice idea identify if image imagine impact important improve in inch include income
    increase indeed industry inform information inside install instead insurance interest internet into introduce
    invent invite invoice is issue it item its itself job join joke journey joy jump just justice kick kid kill
    kilo kind king kiss know label labour lack lady land language last late laugh law lay layer lazy lead leader
    leaf learn least lecture less lesson let level licence lie life lift limit line link lip list listen live load
    loan local lock log lonely look lord loss lot low luck lunch mail main major male man manage manager manner
    manual many mark market marriage mass master match matter maximum may maybe me meal mean meat media medical
    medicine meet meeting member memory mention menu mess message method middle might mile mind mine minimum minor
    minute miss mistake mix model modern moment money month mood moon more morning most motion motor move movie
    much muscle music must my myself name nation natural nature near nearly neat need neighbour neither nerve net
    network never news next nice night nine no nobody noise none noon nor normal north not note nothing novel now
    number object occur ocean odd of off offer officer oil okay old on once one online only onto opinion
    opportunity option or order original other ought our ours out outside over owe own owner pace package page
    pain pair parent part partner party pass passage password past path patience patient pattern pause pay payment
    peace people per percent perhaps period permission person phone phrase pick picture piece pile pilot place
    plan plant play please pleasure plenty plug pocket poem point police policy pool poor popular population
    position possible post pound power practice praise prefer prepare present president press pressure prevent
    price print private prize problem process produce product profit program project promise proof proper protect
    proud prove provide public pull pupil purpose quality quarter queen question queue quick quiet quite race rail
    raise range rate rather raw reach react ready real reason receipt recent recipe record recover reduce refund
    refuse region regret regular reject relax release remain remind remove repeat reply report request require
    rescue research reserve respect rest result review reward ride right rise risk road rock role roll roof root
    route row royal rule rush safe safety salary sale salt same sand sauce save say scale scene science scissors
    score sea search seat second secret section secure seed seem select self sense sentence separate serious serve
    service set seven several shade shadow shake shall shape sharp she sheet shelter shine ship shirt shock shoot
    short should shout shower sick side sight signal silence silly similar since single sink sir site six size
    skill skin sky slice slide slight slip smart smell smile smoke snack so soap social soft software soil some
    someone something sometimes somewhere song soon sorry sort soul sound source south space spare speak speed
    spell spend spirit split spot spread staff stage stairs stamp standard star start state stay steam step stick
    still stock stomach stop straight stranger stream street stress stretch strict string strong student stuff
    style subject success such sudden sugar suggest suit sun supper supply support suppose sure surface system
    tail talent talk tank tap target task taste tax team tear technology tell temperature ten term test text than
    thank that the their them then theory there these they thick thin thing think third thirty this those though
    thought thousand thread three throat through throw thus tidy tight till time tip tired title to today together
    tomorrow tone tongue tonight too tooth top topic total touch tour toward town track trade traffic trail
    training translate trap travel treat trick trip trouble true trust truth try tube tune turn twelve twenty
    twice twin two type ugly under understand uniform union unit until up update upon upper upset upstairs urgent
    us usual usually value variety various very victory video view village visit visitor voice volume vote wage
    waist wait wake walk wall war warning warranty was waste wave way we weak weapon wedding week weekend weight
    welcome well were west wet what wheel when where whether which while whisper whole whom whose why wide wife
    wild will win window wine wing wise wish with within without woman wonder word work world worry worse worth
    would wound wrap write wrong yard year yellow yes yesterday yet you young your yours yourself youth zero zone
    app website button setting settings account login subscription delivery shipping tracking repair manual filter
    voucher broken replacement spare parts courier parcel opening hours closed support desk hotline warranty model
    training data file folder row column table chart server client update version install error
    """
)
